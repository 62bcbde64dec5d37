"""In the place of torch, which TorchServe's worker imports to tell tensors among answers: the handler here gives none."""


class Tensor:
    pass
