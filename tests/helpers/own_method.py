"""The source of a plugin file: the plain convolution under another name."""

CLASS = """
class Mine:
    name = "mine"
    dims = (3,)
    def layer_2d(self, conv):
        return conv
    def layer_3d(self, layer):
        return layer
"""
METHOD = f"{CLASS}method = Mine()\n"
