"""Pictures with matplotlib: each one function, each returning the axes that it drew on."""

from handgrad.plots.curves import draw_curves, draw_depth, draw_learning_curve, smoothed
from handgrad.plots.images import draw_images, draw_misclassified
from handgrad.plots.inside import (
    activations,
    draw_activations,
    draw_feature_maps,
    draw_filters,
    draw_functions,
)
from handgrad.plots.maps import (
    draw_attention,
    draw_grad_cam,
    draw_integrated_gradients,
    draw_occlusion,
    draw_saliency,
)
from handgrad.plots.planes import (
    draw_boundary,
    draw_embedding,
    draw_optimizer_paths,
    optimizer_paths,
    principal_plane,
)

__all__ = [
    "activations", "draw_activations", "draw_attention", "draw_boundary", "draw_curves",
    "draw_depth", "draw_embedding", "draw_feature_maps", "draw_filters", "draw_functions",
    "draw_grad_cam", "draw_images", "draw_integrated_gradients", "draw_learning_curve",
    "draw_misclassified", "draw_occlusion", "draw_optimizer_paths", "draw_saliency",
    "optimizer_paths", "principal_plane", "smoothed",
]  # fmt: skip
