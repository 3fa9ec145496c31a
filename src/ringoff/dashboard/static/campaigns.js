// The viewer's own time zone to begin with, as long as nobody has chosen one.
"use strict";

const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const choice of document.querySelectorAll("select[data-viewer-zone]:not([data-chosen])")) {
  if ([...choice.options].some((option) => option.value === ownZone)) choice.value = ownZone;
}
