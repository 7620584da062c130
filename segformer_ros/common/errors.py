# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The exceptions of the package: what was got, what was expected, what to do."""

from typing import Any, Optional, Tuple

from segformer_ros.common.text import plain

# How bad a finding is; the values of diagnostic_msgs/DiagnosticStatus.
OK, WARN, ERROR = 0, 1, 2


class SegformerRosError(Exception):
    """
    Base of every error that this package raises on purpose.

    The text is built here, so that all errors read alike:
    ``<problem>: got <got>; expected <expected>. <remedy>``. Each part is cut and escaped, since
    what was got may be a stranger's; ``problem`` is never made of that, so that it may serve as
    a kind.

    :param problem: what could not be done, without a full stop
    :param got: the value or state that was met
    :param expected: what would have been accepted
    :param remedy: what the reader can do about it, a whole sentence
    """

    def __init__(self, problem: str, got: object = None, expected: object = None,
                 remedy: Optional[str] = None) -> None:
        self.problem = plain(problem)
        self.got = plain(got) if isinstance(got, str) else got
        self.expected = plain(expected) if isinstance(expected, str) else expected
        self.remedy = remedy and plain(remedy)
        facts = []
        if got is not None:
            facts.append('got ' + plain(got))
        if expected is not None:
            facts.append('expected ' + plain(expected))
        text = self.problem
        if facts:
            text += ': ' + '; '.join(facts)
        text += '.'
        if self.remedy:
            text += ' ' + self.remedy
        super().__init__(text)

    def __reduce__(self) -> Tuple[Any, ...]:
        """Keep the text when the error comes from another process."""
        texts = [None if fact is None else plain(fact) for fact in (self.got, self.expected)]
        return type(self), (self.problem, texts[0], texts[1], self.remedy)


class InvalidInputError(SegformerRosError):
    """An image, message or array cannot be used; the next good one can."""


class ConfigurationError(SegformerRosError):
    """A parameter, a YAML file or a combination of them cannot be used."""


class ModelError(SegformerRosError):
    """A model file is missing, damaged, or does not fit its specification."""


class BackendError(SegformerRosError):
    """An inference runtime is missing, cannot be opened, or failed in a run."""


class TransformError(SegformerRosError):
    """A pose at the wanted time is not known."""
