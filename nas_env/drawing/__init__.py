"""Drawings of networks: the graphs (`graphs`), their layout (`layout`) and SVG output (`svg`)."""

from nas_env.drawing.svg import draw_svg, save_svg

__all__ = ["draw_svg", "save_svg"]
