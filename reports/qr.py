"""A QR code as a drawing (ISO/IEC 18004), for the camera of who holds a printed report.

Example::

    qr("affidavit bank.example/models", finding="QR code naming the ledger")
"""

from html import escape

import segno

from reports.svg import INK

__all__ = ["qr"]

SIZE = 92.0


def qr(text: str, *, finding: str) -> str:
    """Draw a text as a QR code with error correction M or better and its quiet zone, as one path."""
    code = segno.make_qr(text, error="m")
    side = code.symbol_size(scale=1, border=2)[0]
    path = []
    for y, row in enumerate(code.matrix_iter(scale=1, border=2)):
        x = 0
        cells = list(row)
        while x < side:
            if not cells[x]:
                x += 1
                continue
            run = 1
            while x + run < side and cells[x + run]:
                run += 1
            path.append(f"M{x} {y}h{run}v1h-{run}z")
            x += run
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{SIZE:.1f}" height="{SIZE:.1f}" '
        f'viewBox="0 0 {side} {side}"><title>{escape(finding)}</title>'
        f'<path d="{"".join(path)}" fill="{INK}"/></svg>'
    )
