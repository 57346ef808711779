"""The explanation methods by name, as data: help and wrong names are answered without TensorFlow."""

# Names, each with the module of interp.attributions and the class in it. A new method is a line here.
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
}
# Over another method, by default the gradient: smooth_grad, smooth_grad:grad_cam.
ENSEMBLES = {
    "smooth_grad": "smooth_grad.SmoothGrad",
    "smooth_grad_squared": "smooth_grad.SmoothGradSquared",
    "smooth_grad_var": "smooth_grad.SmoothGradVar",
}
