"""Sound, though not constant in depth, and for one group only: it looks along the depth alone."""

from __future__ import annotations

from sound import Layer, Sound

from crossbench.errors import ConversionError


class Stripes(Layer):
    """The kernel along depth and height."""

    def kernel(self):
        """The middle column's weights stand along the depth."""
        return self.weight if self.dims == 2 else super().kernel().transpose(2, 4).contiguous() * 2


class StripesMethod(Sound):
    """Refuses groups."""

    name = "stripes"
    layer = Stripes

    def layer_2d(self, conv):
        """The layer in 2D."""
        if conv.groups > 1:
            raise ConversionError(f"groups (={conv.groups}) must be 1")
        return super().layer_2d(conv)


method = StripesMethod()
