"""How much of each data set the scripts get: all, or the first `samples`, for a quick try."""

samples: int | None = None
