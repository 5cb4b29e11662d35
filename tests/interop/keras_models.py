"""Keras models of every layer that has a counterpart."""

from __future__ import annotations

import numpy as np

ACTIVATIONS = (
    "relu", "elu", "selu", "softplus", "softsign", "silu", "gelu", "hard_sigmoid", "hard_silu",
    "mish", "exponential", "sigmoid", "tanh", "leaky_relu", "relu6", "log_softmax",
)  # fmt: skip


def models(keras):
    """Models by name."""
    return (
        {
            name: keras.Sequential([keras.Input(shape), *layers])
            for name, (shape, layers) in chains(keras.layers).items()
        }
        | graphs(keras)
        | sequences(keras)
    )


def chains(L):
    """The layers of chains, and the shape of their input."""
    measured = L.Normalization()
    measured.adapt(np.random.default_rng(0).normal(2, 3, (20, 6)).astype("f4"))
    image = (8, 8, 4)
    return {
        "image": (image, [
            L.Conv2D(4, 3, activation="relu", padding="same"), L.BatchNormalization(),
            L.MaxPooling2D(), L.DepthwiseConv2D(3, depth_multiplier=2), L.SpatialDropout2D(0.2),
            L.Flatten(), L.Dense(4), L.Dropout(0.5), L.Dense(3, activation="softmax")]),
        "strides": ((9, 7, 2), [
            L.Conv2D(4, (3, 2), strides=2, padding="same", use_bias=False), L.LeakyReLU(),
            L.AveragePooling2D(2, 2, padding="same"), L.MaxPooling2D(2, 2, padding="same"),
            L.GlobalAveragePooling2D(), L.Dense(2)]),
        "groups": (image, [
            L.Conv2D(4, 3, groups=2, dilation_rate=2), L.PReLU(shared_axes=[1, 2]),
            L.SeparableConv2D(3, 2, depth_multiplier=2), L.GlobalMaxPooling2D()]),
        "transposed": ((4, 5, 2), [
            L.Conv2DTranspose(3, 3, strides=2, padding="same"), L.Conv2DTranspose(2, 3, strides=2),
            L.Conv2DTranspose(2, 2, strides=3)]),
        "sequence": ((9, 2), [
            L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="tanh"),
            L.ZeroPadding1D(2), L.Cropping1D((1, 2)), L.MaxPooling1D(), L.UpSampling1D(2),
            L.Conv1DTranspose(3, 4, strides=2, padding="same"), L.LSTM(3)]),
        "volume": ((4, 4, 4, 2), [
            L.Conv3D(2, 2), L.AveragePooling3D(1), L.Flatten(), L.Dense(1)]),
        "shapes": (image, [
            L.ZeroPadding2D(((1, 2), (0, 1))), L.Cropping2D(1), L.UpSampling2D((2, 3)),
            L.UpSampling2D(2, interpolation="bilinear"), L.GroupNormalization(2),
            L.Permute((2, 3, 1)), L.Reshape((-1, 6)), L.LayerNormalization(), L.Softmax()]),
        "words": ((5,), [
            L.Embedding(7, 4), L.Bidirectional(L.LSTM(3, return_sequences=True)),
            L.GRU(4, return_sequences=True),
            L.GRU(3, reset_after=False, return_sequences=True), L.TimeDistributed(L.Dense(4)),
            L.Bidirectional(L.GRU(3)), L.Dense(2)]),
        "steps": ((5, 3), [
            L.SimpleRNN(4, return_sequences=True, dropout=0.2), L.LSTM(3), L.RepeatVector(3),
            L.LSTM(2, return_sequences=True)]),
        "activations": ((6,), [L.Activation(name) for name in ACTIVATIONS]),
        "rectifiers": ((6,), [
            L.ReLU(max_value=6), L.ReLU(negative_slope=0.1), L.ELU(0.7), L.PReLU(),
            L.Rescaling(0.5, 1), L.RMSNormalization()]),
        "measured": ((6,), [measured, L.Dense(2)]),
    }  # fmt: skip


def sequences(keras):
    """Masks, states and attention: chains, where masks go along, and functional models."""
    L, Input, Model = keras.layers, keras.Input, keras.Model
    ids = Input((6,), dtype="int32", name="ids")
    x = L.Embedding(7, 4, mask_zero=True)(ids)
    y, h, c = L.LSTM(4, return_state=True, return_sequences=True)(x)
    z = L.GRU(4, return_sequences=True)(x, initial_state=h)
    far = L.LSTM(4)(L.Masking(0.3)(x), initial_state=[h, c])
    both = L.Bidirectional(L.GRU(3, return_sequences=True))(x)
    masked = Model(ids, L.Concatenate()([
        L.GlobalAveragePooling1D()(y), L.TimeDistributed(L.Dense(3))(z)[:, -1], h, c, far,
        L.GlobalAveragePooling1D()(both)]), name="masked")  # fmt: skip
    x, other = Input((5, 4)), Input((3, 4))
    seen = L.Attention(use_scale=True)([x, other])
    same = L.Attention()([x, x, x], use_causal_mask=True)
    added = L.AdditiveAttention()([x, other, other])
    heads = L.MultiHeadAttention(2, 3, value_dim=5, output_shape=7)(x, other, other)
    plain = L.MultiHeadAttention(2, 2, use_bias=False)(x, x, use_causal_mask=True)
    attended = Model([x, other], L.Concatenate()([seen, same, added, heads, plain]))
    x = Input((5, 3))
    outputs = [
        L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode=mode)(x)
        for mode in ("sum", "mul", "ave")
    ]
    y, *states = L.Bidirectional(L.LSTM(2, return_state=True))(x)
    again = L.Bidirectional(L.LSTM(2), merge_mode="sum")(x, initial_state=states)
    back = L.SimpleRNN(2, return_sequences=True, go_backwards=True)(x)
    two = Model(x, L.Concatenate()([*map(L.Flatten(), [*outputs, back]), y, *states, again]))
    chain = keras.Sequential([
        Input((6,), name="ids"), L.Embedding(7, 4, mask_zero=True), L.Dropout(0.2),
        L.Bidirectional(L.LSTM(3, return_sequences=True)), L.TimeDistributed(L.Dense(4)),
        L.GRU(4, return_sequences=True), L.Bidirectional(L.SimpleRNN(2)), L.Dense(2)])  # fmt: skip
    gaps = keras.Sequential([
        Input((6, 2)), L.Masking(0.5), L.LSTM(3, return_sequences=True), L.LayerNormalization(),
        L.GlobalAveragePooling1D()])  # fmt: skip
    return {"masked": masked, "attended": attended, "two ways": two, "chain": chain, "gaps": gaps}


def graphs(keras):
    """Functional models: branches, shared layers, models inside, several inputs."""
    L, Input, Model = keras.layers, keras.Input, keras.Model
    x = Input((8, 8, 3))
    a = L.Conv2D(4, 3, padding="same")(x)
    both = L.Concatenate()([L.Add()([a, L.Conv2D(4, 1)(x)]), a, x])
    tall = L.Concatenate(axis=1)([both, both])
    excited = L.Multiply()([tall, L.GlobalAveragePooling2D(keepdims=True)(tall)])
    branches = Model(x, L.Dense(2, name="out")(L.Flatten()(excited)))
    x, once = Input((4,)), L.Dense(4, activation="tanh")
    a, b = once(x), once(once(x))
    mean = L.Average()([a, b]) * 2 - x / 3 + 1
    shared = Model(x, L.Subtract()([L.Maximum()([mean, a]), L.Minimum()([a, mean])]))
    left, right = Input((4,), name="left"), Input((3,), name="right")
    two = Model([left, right], L.Dense(2)(L.Concatenate()([L.Dense(3)(left), right])))
    chain = keras.Sequential([Input((4,)), L.Dense(4, activation="relu"), L.Dense(4)])
    x = Input((4,))
    residual = Model(x, L.Add()([x, L.Dense(4)(x)]))
    x = Input((4,))
    nested = Model(x, L.Dense(2)(chain(residual(chain(x)))))
    return {"branches": branches, "shared": shared, "two": two, "nested": nested}
