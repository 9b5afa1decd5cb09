"""The scripts of Vega-Lite for a page that opens without a network."""

from functools import cache


@cache
def scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed as a script for a page, about 0.9 MB; to bundle them takes seconds."""
    import vl_convert

    return vl_convert.javascript_bundle()
