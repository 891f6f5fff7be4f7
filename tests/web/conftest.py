from collections.abc import Iterator

import pytest
from served import Client, Networks, client


@pytest.fixture
def networks() -> Networks:
    return Networks()


@pytest.fixture
def pretended(networks: Networks) -> Iterator[Client]:
    """A client of a service with pretended networks."""
    with client(networks) as made:
        yield made
