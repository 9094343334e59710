"""Networks: timm backbones, their 3D forms, and the weights they start from."""
