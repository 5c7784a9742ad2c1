"""The same function over many things in several processes, results in order, memory bounded."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from ipiu.errors import IpiuError

_function: Callable | None = None  # in a worker, what it was started to do
Item, Result = TypeVar("Item"), TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 1, preload: tuple[str, ...] = ()
) -> Iterator[Result]:
    """Apply a function to each item, in this process or in several; results come in the order of the items.

    Parameters
    ----------
    function
        takes one item; it must be importable where ``workers`` is above 1
    items
        taken one by one, never more than a few ahead of the results
    workers
        number of processes; 1 starts none
    preload
        modules that each process is started with, so that they are imported once

    Raises
    ------
    IpiuError
        Where the function cannot go to another process, or a process was ended from outside.
    """
    if workers < 1:
        msg = f"workers={workers} must be 1 or more; this machine has {os.cpu_count()} cores"
        raise ValueError(msg)
    if workers == 1:
        yield from map(function, items)
        return
    _check_sendable(function)
    # a fork of this process could inherit locked threads of torch; a fork server is clean and imports once
    server = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if server else "spawn")
    if server:
        context.set_forkserver_preload(list(preload))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare, initargs=(function,)) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(_apply, item))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            msg = f"one of {workers} worker processes was ended, most often for want of memory; use fewer workers"
            raise IpiuError(msg) from error
        finally:
            for future in waiting:
                future.cancel()


def _check_sendable(function: Callable) -> None:
    """Say it in one sentence where a function cannot go to another process."""
    try:
        pickle.dumps(function)
    except Exception as error:  # pickle raises AttributeError, TypeError or its own
        msg = f"workers above 1 need a function and a cohort that other processes can import ({error}); use workers=1"
        raise IpiuError(msg) from error


def _prepare(function: Callable) -> None:
    """Give a new process the function once, as it may hold a cohort's index, and one thread.

    Several processes with several threads each only wait for one another.
    """
    import torch

    global _function
    _function = function
    torch.set_num_threads(1)


def _apply(item: Any) -> Any:
    """Apply the function of this process."""
    return _function(item)
