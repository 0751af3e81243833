"""Colours that all eyes can tell apart (Okabe & Ito 2008), by what they mean. The theme's chart colours are the same."""

CALM = "#0072B2"  # as it was: the true class, the clean picture
ALARM = "#D55E00"  # what the attack did
NOISE = "#009E73"  # the control experiment
QUIET = "#8C8C8C"  # predictions, marks
