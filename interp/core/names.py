"""The names that command lines offer, as data: help and wrong names are answered without TensorFlow.

Where what a name stands for needs TensorFlow, a registry elsewhere holds it by the same name, in the same order;
tests/core/test_names.py keeps it so.
"""

# Explanation methods, each with the module of interp.attributions and the class in it. A new method is a line here.
METHODS = {
    "random": "random_baseline.RandomBaseline",
    "gradient": "gradients.VanillaGradient",
    "input_x_gradient": "gradients.InputXGradient",
    "deconvnet": "gradients.DeconvNet",
    "guided_backprop": "gradients.GuidedBackprop",
    "integrated_gradients": "integrated_gradients.IntegratedGradients",
    "grad_cam": "grad_cam.GradCAM",
    "grad_cam++": "grad_cam.GradCAMPlusPlus",
    "guided_grad_cam": "grad_cam.GuidedGradCAM",
    "cam": "cam.CAM",
    "layer_cam": "grad_cam.LayerCAM",
    "score_cam": "score_cam.ScoreCAM",
    "occlusion": "occlusion.Occlusion",
    "rise": "rise.RISE",
    "expected_gradients": "expected_gradients.ExpectedGradients",
    "lrp": "lrp.LRP",
    "edges": "edge_map.EdgeMap",
}
# Those that tasks show where --methods names none.
USUAL_METHODS = tuple(METHODS)[:10]
# Those that take hundreds of passes of the model for one map: no attack follows them, and no ensembles over them are drawn unasked.
MANY_PASSES = ("score_cam", "occlusion", "rise")
# Over another method, by default the gradient: smooth_grad, smooth_grad:grad_cam.
ENSEMBLES = {
    "smooth_grad": "smooth_grad.SmoothGrad",
    "smooth_grad_squared": "smooth_grad.SmoothGradSquared",
    "smooth_grad_var": "smooth_grad.SmoothGradVar",
}
# The paper's own maps, with its settings.
INTERPRETATIONS = ("cam", "cam++", "ig", "representation")
# Measures of explanations that ask the model: interp.evaluation.faithfulness holds what each name stands for.
FAITHFULNESS = (
    "deletion",
    "insertion",
    "mu_fidelity",
    "infidelity",
    "max_sensitivity",
    "road_most",
    "road_least",
    "pointing_game",
    "gini",
    "entropy",
)
# How pixels are ranked by a map.
RANKINGS = ("signed", "magnitude")

# Of which passes of a training step the statistics of batch normalisation are kept: of each that the loss makes, of those of clean or
# attacked images alone, or of none, and the loss passes the model in inference mode.
BATCH_STATISTICS = ("each", "clean", "attacked", "fixed")
# Of the balls that attacks search.
THREAT_NORMS = ("linf", "l2")
# Of interpretation discrepancies: the norm of a difference of maps, and the classes whose maps are compared.
NORMS = ("l1", "l2")
SELECTIONS = ("one_class", "two_class", "all_class")

# How attacked and clean maps are compared, and whether the prediction must stay.
MEASURES = ("kendall_tau", "spearman", "pearson", "cosine", "top_k_overlap", "ssim", "centre_shift")
PREDICTIONS = ("kept", "free")
# Of attacks on explanations: the paper's, the strong one, and that of robust attribution regularisation (Chen et al. 2019).
MAP_PROTOCOLS = ("reference", "strong", "rar")

# What models of others were trained on, images in [0, 1] scaled (interp.models.image_scale).
SCALES = ("0..1", "0..255", "imagenet", "tf", "caffe")
AUTO = "auto"

# The kind of the flag of a network that was trained on another dataset.
OTHER_DATASET = "other dataset"

# Architectures, each with its tag in the names of files.
ARCHITECTURE_TAGS = {
    "small": "smallgap",
    "pool": "pool",
    "wresnet": "wresnet",
    "simple_cnn": "simplecnn",
    "preact_resnet18": "preactresnet18",
}
# Of the strong protocol: with the ensemble of attacks at its end, and without.
STRENGTHS = ("strong", "quick")
# What may be computed in bfloat16, and is in float32 by default.
PRECISIONS = ("float32", "bfloat16")

# Training objectives, each with its title in tables. The key is the tag in the names of files and on command lines.
OBJECTIVE_TITLES = {
    "normal": "Normal",
    "adv": "Adv",
    "trades": "TRADES",
    "int": "Int",
    "intone": "Int-one-class",
    "intadv": "Int-Adv",
    "int2": "Int2",
    "int2adv": "Int2-Adv",
    "ig": "IG-Norm",
    "igsum": "IG-Sum-Norm",
    "intig": "Int-IG",
    "intigadv": "Int-IG-Adv",
    "lga": "LGA",
    "hessian": "Hessian",
    "r2et": "R2ET",
    "igr": "IGR",
    "art": "ART",
    "trades6": "TRADES-6",
    "fast": "Fast Adv",
}
OBJECTIVE_TAGS = tuple(OBJECTIVE_TITLES)

# Objectives that look at no other points of the ball, so that its radius and norm change nothing.
WITHOUT_BALL = ("normal", "hessian", "r2et")
# Objectives that compare class activation maps where no other explanation is given.
COMPARING_CAM = ("int", "intone", "intadv", "int2", "int2adv")
# Objectives whose inner attack is always of so many steps, which have a size in radii.
INNER_ATTACKS = {"fast": (1, 1.25)}
# Which weights of a training count: of the last epoch, or of the one whose accuracy on attacked validation images is best.
KEEPS = ("last", "best")
# How the learning rate goes from one given step to the next: it stays, or changes along a line.
RATE_SHAPES = ("steps", "linear")

# Which iterate of PGD counts.
ITERATES = ("last", "worst", "first")
# Of the steps of minimum-eps and interpretability sneaking attacks.
DIRECTIONS = ("sign", "reference")
# Of interpretability sneaking attacks: the paper's bisection of a weight, and a longer search after it.
SEARCHES = ("reference", "strong")
# Unforeseen attacks; those of the published score, to which elastic does not belong; and what they are to reach.
UNFORESEEN = ("fog", "snow", "gabor", "jpeg_linf", "jpeg_l2", "jpeg_l1", "elastic")
SCORED = ("fog", "snow", "gabor", "jpeg_linf", "jpeg_l2", "jpeg_l1")
GOALS = ("random_target", "untargeted")

# Which images lose pixels in ROAR and KAR, and what fills them.
RETRAINING_PROTOCOLS = ("paper", "whitebox")
