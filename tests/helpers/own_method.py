"""The source of a plugin file: the plain convolution under another name."""

METHOD = """
class Mine:
    name = "mine"
    dims = (3,)
    def layer_2d(self, conv):
        return conv
    def layer_3d(self, layer):
        return layer
method = Mine()
"""
