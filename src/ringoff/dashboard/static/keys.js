// A key is copied with one click; without scripts, like any text.
"use strict";

document.addEventListener("click", async (click) => {
  const button = click.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  } catch {
    // Without TLS a browser may refuse: what is selected is copied by hand.
    button.textContent = "Selected: copy it";
  }
});
