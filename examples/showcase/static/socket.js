// One socket that comes back: it reconnects with growing, jittered pauses until it is told to stop.
// It knows nothing of the page; `changed` hears {state: "connecting" | "open" | "waiting" | "closed", code, reason, seconds}.

const FIRST_MS = 500, LONGEST_MS = 15_000, SETTLED_MS = 5_000;

export function openSocket(path, { changed, heard, comesBack = () => true }) {
  let socket = null, attempts = 0, timer = 0, settled = 0;

  const url = () => new URL(path(), location.href.replace(/^http/, "ws"));

  function start() {
    stopTimers();
    changed({ state: "connecting" });
    const mine = socket = new WebSocket(url());
    mine.binaryType = "arraybuffer";
    mine.onopen = () => {
      settled = setTimeout(() => { attempts = 0; }, SETTLED_MS);
      changed({ state: "open" });
    };
    mine.onmessage = ({ data }) => { if (mine === socket) heard(data); };
    mine.onclose = ({ code, reason }) => {
      if (mine !== socket) return;
      socket = null;
      stopTimers();
      if (comesBack(code)) wait(code, reason);
      else changed({ state: "closed", code, reason });
    };
  }

  function wait(code, reason) {
    const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempts++);
    const pause = most / 2 + Math.random() * most / 2;
    changed({ state: "waiting", code, reason, seconds: Math.ceil(pause / 1000) });
    timer = setTimeout(start, pause);
  }

  function stop() {
    stopTimers();
    const mine = socket;
    socket = null;
    attempts = 0;
    mine?.close(1000);
    changed({ state: "closed", code: 1000, reason: "" });
  }

  function stopTimers() {
    clearTimeout(timer);
    clearTimeout(settled);
    timer = 0;
  }

  addEventListener("online", () => { if (timer) start(); });

  return {
    start, stop,
    restart() { stop(); start(); },
    send(data) {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(data);
      return true;
    },
    get wanted() { return Boolean(socket || timer); },
  };
}

// The close codes a reader may meet (RFC 6455 7.4.1), in words.
export const MEANING = {
  1000: "done", 1001: "going away", 1005: "no code given", 1006: "connection lost", 1008: "against the rules",
  1009: "message too big", 1011: "error on the server", 1012: "server restarts", 1013: "try again later",
};
