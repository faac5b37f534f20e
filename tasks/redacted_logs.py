"""The redactor in front of Prefect's log: what a run logs is kept on the server and shown in its UI."""

from __future__ import annotations

import logging

from rules.redaction import redact

LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "backstop")
"""The loggers of runs, and our own where there is no run."""

_formatter = logging.Formatter()


class Redacting(logging.Filter):
    """Redacts a record's message and its traceback, before any handler sees them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, redacted."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = redact(_formatter.formatException(record.exc_info))
            record.exc_info = None
        return True


def redact_logs() -> None:
    """Put the redactor in front of the loggers; once is enough."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Redacting) for each in logger.filters):
            logger.addFilter(Redacting())
