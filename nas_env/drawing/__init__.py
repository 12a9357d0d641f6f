"""Networks as pictures: what is drawn (`graphs`), where (`layout`), and as SVG (`svg`)."""

from nas_env.drawing.svg import draw_svg, save_svg

__all__ = ["draw_svg", "save_svg"]
