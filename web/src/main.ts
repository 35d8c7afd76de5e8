import { SessionBoard } from "./board";
import { WebSocketClient } from "./client";
import { byId, setText } from "./dom";
import { FindingsView } from "./findings";
import { formatPercent } from "./format";
import { ImportForm } from "./import-form";
import { createImportsTable } from "./imports";
import { StatusView } from "./status";
import { Toasts } from "./toasts";
import "./styles/index.css";

const NAME = "Pulsewheel";

const client = new WebSocketClient();
// A dashboard is left open: it comes back by itself however long the server was away.
client.maxReconnectAttempts = Number.POSITIVE_INFINITY;

const toasts = new Toasts(byId("toasts"));
const findings = new FindingsView(byId("findings"), byId("tiles"));
const imports = createImportsTable(byId("imports"));
const form = new ImportForm({
  hasCard: (sessionId) => board.has(sessionId),
  accepted: (sessionId) => client.trackImportProgress(sessionId),
});
new StatusView(client);
const board = new SessionBoard(client, byId("sessions"), byId<HTMLButtonElement>("clear-ended"), {
  changed: showTitle,
  announce: (text) => setText(byId("announcer"), text),
  complain: (text) => toasts.complain(text),
});

/** The tab tells how far things are while the reader is elsewhere. */
function showTitle(): void {
  const { running } = board;
  if (running.length === 0) {
    document.title = NAME;
    return;
  }
  const mean = running.reduce((sum, card) => sum + card.progress, 0) / running.length;
  const what = running.length === 1 ? running[0]!.title || "1 running" : `${running.length} running`;
  document.title = `${formatPercent(mean)} · ${what} – ${NAME}`;
}

client.subscribe("system_alert", (alert) => toasts.alert(alert));
client.subscribe("session_created", () => {
  form.render();
  imports.refresh();
});
client.subscribe("data_updated", () => {
  findings.refresh();
  imports.refresh();
});
client.subscribe("import_complete", () => {
  findings.refresh();
  imports.refresh();
});
for (const event of ["import_error", "import_cancelled"] as const) {
  client.subscribe(event, ({ sessionId }) => {
    form.queue.stop(sessionId);
    imports.refresh();
  });
}
client.subscribe("connection_changed", ({ state }) => {
  if (state !== "connected") return;
  findings.refresh();
  imports.refresh();
});

findings.refresh();
imports.refresh();
// A failure shows in the connection status, and further attempts follow by themselves.
client.connect().catch(() => {});
