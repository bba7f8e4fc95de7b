// The page: panes, ticker, echo, sources and routes. Whatever came over the wire is shown as text, never as HTML.

import { MEANING, openSocket } from "/socket.js";
import { showSources } from "/source.js";

const KEPT = 200;
const LABEL = { connecting: "Connecting …", open: "Open", waiting: "Connection closed", closed: "Closed" };
const $ = (selector, root = document) => root.querySelector(selector);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function showState(root, { state, code, reason, seconds }) {
  const why = code ? ` · ${code} ${reason || MEANING[code] || ""}`.trimEnd() : "";
  const next = state === "waiting" ? ` · again in ${seconds} s` : "";
  const shown = $(".state", root);
  shown.dataset.state = state;
  shown.textContent = LABEL[state] + why + next;
}

// A log keeps its end in sight, also when its box shrinks, unless the reader has scrolled up.
function openLog(log) {
  let atEnd = true;
  const keepEnd = () => { if (atEnd) log.scrollTop = log.scrollHeight; };
  log.onscroll = () => { atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24; };
  new ResizeObserver(keepEnd).observe(log);
  return (item) => {
    log.append(item);
    while (log.children.length > KEPT) log.firstElementChild.remove();
    keepEnd();
  };
}

// ---- the room

const COLOURS = 8;

function openPane(name, room) {
  const pane = $("#pane").content.cloneNode(true).firstElementChild;
  const [log, alert, words, toggle, nameField] = [".log", ".alert", ".words", ".toggle", ".name"].map((each) => $(each, pane));
  const append = openLog(log);
  let mySeat = 0;

  pane.setAttribute("aria-label", `${name}’s window`);
  log.setAttribute("aria-label", `What ${name} hears`);
  words.setAttribute("aria-label", `A message from ${name}`);
  toggle.setAttribute("aria-label", `Leave the room as ${name}`);
  nameField.value = name;

  const complain = (text) => {
    alert.textContent = text;
    alert.hidden = !text;
  };

  function note(text) { append(element("li", "note", text)); }

  function say({ from, text }) {
    const item = element("li", from.seat === mySeat ? "said mine" : "said");
    item.dataset.colour = from.seat % COLOURS;
    item.append(element("span", "who", from.name), element("span", "text", text));
    append(item);
  }

  const others = (here) => here.filter(({ seat }) => seat !== mySeat).map((guest) => guest.name);
  const NEWS = {
    welcome({ seat, here }) { mySeat = seat; note(others(here).length ? `You came in. Here: ${others(here).join(", ")}` : "You came in. Nobody else is here yet."); },
    joined({ from }) { note(`${from.name} came in`); },
    left({ from }) { note(`${from.name} left`); },
    said: say,
    missed({ count }) { note(`${count} messages were too fast for you and are gone`); },
    refused({ limit }) { complain(`Not sent: the room takes 1 to ${limit} characters.`); },
  };

  const socket = openSocket(() => `/chat/${encodeURIComponent(room)}?${new URLSearchParams({ name })}`, {
    changed(now) {
      showState(pane, now);
      toggle.textContent = now.state === "closed" ? "Join" : "Leave";
      toggle.setAttribute("aria-label", now.state === "closed" ? `Join the room as ${name}` : `Leave the room as ${name}`);
      if (now.code === 1009) complain("Closed by the server: that message was over its limit of 4 KiB.");
    },
    heard(data) {
      const news = JSON.parse(data);
      NEWS[news.kind]?.(news);
    },
  });

  toggle.onclick = () => (socket.wanted ? socket.stop() : socket.start());
  nameField.onchange = () => {
    const wanted = nameField.value.trim();
    if (!wanted || wanted === name) { nameField.value = name; return; }
    name = wanted;
    if (socket.wanted) socket.restart();
  };
  $("form", pane).onsubmit = (event) => {
    event.preventDefault();
    if (!words.value.trim()) return;
    complain("");
    if (socket.send(words.value)) words.value = "";
    else complain("Not sent: this window is not connected. Your words are still here.");
  };

  $("#panes").append(pane);
  socket.start();
}

// ---- the ticker

function openTicker() {
  const root = $("#ticker"), toggle = $(".toggle", root);
  const socket = openSocket(() => "/ticker", {
    changed(now) {
      showState(root, now);
      toggle.textContent = now.state === "closed" ? "Start" : "Stop";
      if (now.state !== "open") $("#running").textContent = "–";
    },
    heard(data) {
      const { tick, running } = JSON.parse(data);
      $("#tick").textContent = tick;
      $("#running").textContent = running;
    },
  });
  toggle.onclick = () => (socket.wanted ? socket.stop() : socket.start());
  socket.start();
}

// ---- the echo

function openEcho() {
  const root = $("#echo"), toggle = $(".toggle", root), log = $(".log", root), field = $("input", root);
  const append = openLog(log);
  let sent = [];
  const socket = openSocket(() => "/echo", {
    comesBack: (code) => code !== 1001,
    changed(now) {
      showState(root, now);
      toggle.textContent = now.state === "closed" ? "Connect" : "Disconnect";
      if (now.state !== "open") sent = [];
    },
    heard(data) {
      const item = element("li", "said");
      item.append(element("span", "text", data), element("span", "who", `${(performance.now() - sent.shift()).toFixed(1)} ms`));
      append(item);
    },
  });
  toggle.onclick = () => (socket.wanted ? socket.stop() : socket.start());
  $("form", root).onsubmit = (event) => {
    event.preventDefault();
    if (!field.value) return;
    sent.push(performance.now());
    if (socket.send(field.value)) field.value = "";
    else append(element("li", "note", "Not sent: not connected."));
  };
  socket.start();
}

// ---- the routes

async function showRoutes() {
  const rows = await (await fetch("/routes")).json();
  $("#routes").replaceChildren(...rows.map(({ path, methods, summary }) => {
    const row = element("tr");
    const verbs = element("td");
    verbs.append(...methods.map((method) => element("span", method === "WS" ? "verb ws" : "verb", method)));
    const where = element("td");
    where.append(element("code", "", path));
    row.append(verbs, where, element("td", "", summary));
    return row;
  }));
}

const room = new URLSearchParams(location.search).get("room") || "lobby";
openPane("Ann", room);
openPane("Bob", room);
openTicker();
openEcho();
showSources();
showRoutes().catch((error) => { $("#routes").append(element("tr", "", `The routes could not be read: ${error.message}`)); });
