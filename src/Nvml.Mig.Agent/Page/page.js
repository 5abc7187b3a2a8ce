// Keeps the page fresh: fetches it again when something happens to a lease, and every few seconds for the readings, and changes only what
// is different, so that focus, selection and a screen reader's place stay. Without scripts the page is the same, as of when it was loaded.
"use strict";
(() => {
  const readingInterval = 5000;
  // A change of a lease is in the book at once, and in the readings within a second.
  const eventDelays = [200, 1400];
  const connection = document.getElementById("connection");
  let timers = [];
  let fetching = false;

  function change(from, to) {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
      from.replaceWith(document.importNode(to, true));
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
    for (const { name, value } of [...to.attributes]) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    const old = [...from.childNodes];
    const wanted = [...to.childNodes];
    wanted.forEach((child, i) => i < old.length ? change(old[i], child) : from.append(document.importNode(child, true)));
    old.slice(wanted.length).forEach(child => child.remove());
  }

  async function refresh() {
    if (fetching || document.hidden) return;
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      change(document.getElementById("main"), page.getElementById("main"));
      say("");
    } catch {
      say("The agent does not answer. What you see is old.");
    } finally {
      fetching = false;
    }
  }

  function say(text) {
    connection.hidden = text === "";
    if (connection.textContent !== text) connection.textContent = text;
  }

  function soon() {
    timers.forEach(clearTimeout);
    timers = eventDelays.map(delay => setTimeout(refresh, delay));
  }

  const events = new EventSource("/v1/events");
  events.onmessage = soon;
  const kinds = ["Granted", "Reclaiming", "Ended", "Lost", "Quarantined", "Moved", "Interrupted", "gap"];
  for (const kind of kinds) events.addEventListener(kind, soon);
  events.onopen = soon;
  setInterval(refresh, readingInterval);
  document.addEventListener("visibilitychange", soon);
})();
