"""What the tests share: pytester, and a project whose layer library has releases."""

pytest_plugins = ["pytester"]
