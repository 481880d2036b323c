"""What a metric of a service will be in the next hour, with an interval: what prevention scales and warms by.

Forecasters are behind one interface (:mod:`.series`) and compared on the past of each series (:mod:`.comparing`),
because none is the best for all. Intervals (:mod:`.conformal`) come from the errors that were made, whatever the
forecaster. Only :mod:`.mstl` and :mod:`.prophet` need more than numpy.
"""
