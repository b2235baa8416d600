"""A bar chart as SVG: groups of bars on a logarithmic axis, with the spread of each."""

import html
import math

ROW, GAP, LEFT, WIDTH, TOP, RIGHT = 12, 10, 190, 620, 46, 90
COLOURS = ["#1b6ca8", "#7fb3d5", "#b5522b", "#8a8a8a", "#6b8e23"]


def _text(x, y, text, anchor="start", size=11):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{html.escape(text)}</text>'


def bars(groups, title):
    """The SVG of {group: {series: (value, low, high)}}."""
    series = list(dict.fromkeys(name for group in groups.values() for name in group))
    colour = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(series)}
    values = [value for group in groups.values() for one in group.values() for value in one if value > 0]
    low = math.floor(math.log10(min(values))) if values else 0
    high = max(low + 1, math.ceil(math.log10(max(values)))) if values else 1

    def across(value):
        return LEFT + WIDTH * (min(max(math.log10(value), low), high) - low) / (high - low) if value > 0 else LEFT

    y, parts = TOP, []
    for group, members in groups.items():
        parts.append(_text(LEFT - 6, y + ROW * len(members) / 2 + 4, group, "end"))
        for name, (value, least, most) in members.items():
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{across(value) - LEFT:.1f}" height="{ROW - 2}" fill="{colour[name]}"/>')
            parts.append(f'<line x1="{across(least):.1f}" x2="{across(most):.1f}" y1="{y + 5}" y2="{y + 5}" stroke="black"/>')
            parts.append(_text(max(across(value), across(most)) + 4, y + ROW - 3, f"{value:.0f}" if value >= 10 else f"{value:.2f}", size=9))
            y += ROW
        y += GAP
    axis = []
    for power in range(low, high + 1):
        x = across(10 ** power)
        axis += [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{y}" stroke="#ddd"/>', _text(x, TOP - 8, f"{10 ** power:g}", "middle", 9)]
    legend, x = [], LEFT
    for name in series:
        legend += [f'<rect x="{x}" y="8" width="10" height="10" fill="{colour[name]}"/>', _text(x + 14, 17, name)]
        x += 24 + 7 * len(name)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{y + 10}" font-family="sans-serif">\n'
            + f'<rect width="100%" height="100%" fill="white"/>\n{_text(6, 17, title)}\n' + "\n".join(axis + parts + legend) + "\n</svg>\n")
