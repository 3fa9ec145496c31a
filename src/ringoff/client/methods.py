"""One description for two clients: a method says what it asks, and its owner asks it, blocking or not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from ringoff.client.exchange import Page, Request

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(ABC):
    """A client whose calls return when they are done."""

    @abstractmethod
    def perform(self, request: Request[T]) -> T:
        """Send it, again if that is right, and read the answer."""

    @abstractmethod
    def walk(self, first: Request[Page[T]]) -> Iterator[T]:
        """The rows of a page and of all that follow it."""


class NonBlocking(ABC):
    """A client for an event loop."""

    @abstractmethod
    async def perform(self, request: Request[T]) -> T:
        """Send it, again if that is right, and read the answer."""

    @abstractmethod
    def walk(self, first: Request[Page[T]]) -> AsyncIterator[T]:
        """The rows of a page and of all that follow it."""


C = TypeVar("C", bound=Blocking | NonBlocking)


class Group(Generic[C]):
    """Methods that belong together, on one client."""

    def __init__(self, client: C) -> None:
        self._client = client


class Method(Generic[P, T]):
    """A method that is written as the request which it sends."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Request[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, owner: Group[Blocking], kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Group[NonBlocking], kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    def __get__(self, owner: Group[Any] | None, kind: type) -> Any:
        if owner is None:
            return self
        describe = self._describe

        @wraps(describe)
        def ask(*arguments: P.args, **options: P.kwargs) -> Any:
            return owner._client.perform(describe(owner, *arguments, **options))  # noqa: SLF001 - of its own kind

        return ask


class Walk(Generic[P, T]):
    """A method that is written as its first page, and gives the rows of all of them."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Request[Page[T]]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, owner: Group[Blocking], kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Group[NonBlocking], kind: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    def __get__(self, owner: Group[Any] | None, kind: type) -> Any:
        if owner is None:
            return self
        describe = self._describe

        @wraps(describe)
        def ask(*arguments: P.args, **options: P.kwargs) -> Any:
            return owner._client.walk(describe(owner, *arguments, **options))  # noqa: SLF001 - of its own kind

        return ask
