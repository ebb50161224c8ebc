"""What all figures share: `style`, `provenance` (saving them with their origin inside), `staleness`; and the figure of a `plan`."""
