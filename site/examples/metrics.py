# %% accuracy, balanced_accuracy, log_loss, brier_loss, f1, precision, recall, roc_auc, average_precision
import numpy as np
from handgrad.metrics import {NAME}

p = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])  # probabilities of two classes
t = np.array([0, 1, 1, 1])
print(round(float({NAME}(p, t)), 3))
print(round(float({NAME}(p, t, sample_weights=[1, 2, 1, 1])), 3))

# %% top_k_accuracy
import numpy as np
from handgrad.metrics import top_k_accuracy

scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
print(top_k_accuracy(scores, np.array([1, 0]), k=2))

# %% confusion_matrix
import numpy as np
from handgrad.metrics import confusion_matrix

scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
print(confusion_matrix(scores, np.array([0, 1, 1])))

# %% mean_squared_error, mean_absolute_error, root_mean_squared_error, mean_absolute_percentage_error, r2
import numpy as np
from handgrad.metrics import {NAME}

y, t = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.5, 3.0])
print(round(float({NAME}(y, t)), 4))

# %% ndcg
import numpy as np
from handgrad.metrics import ndcg

scores, gains = np.array([[0.2, 0.9, 0.4]]), np.array([[0.0, 1.0, 3.0]])
print(round(float(ndcg(scores, gains)), 3))

# %% calibration_curve, Calibration
import numpy as np
from handgrad.metrics import calibration_curve

p = np.array([0.1, 0.2, 0.3, 0.8, 0.9, 0.95])
t = np.array([0, 0, 1, 1, 1, 1])
print(calibration_curve(p, t, bins=2))

# %% usual_metrics
import numpy as np
from handgrad import SoftmaxCrossEntropy
from handgrad.metrics import usual_metrics

print([metric.__name__ for metric in usual_metrics(SoftmaxCrossEntropy(), np.array([0, 1]))])
