"""Maps of journeys: read from their code, drawn as Mermaid and SVG, filled with live counts."""
