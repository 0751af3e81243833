"""What tests of several pages do in a browser."""

from playwright.sync_api import Page, expect


def settle(page: Page) -> None:
    """Wait until the server has nothing more to say."""
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
