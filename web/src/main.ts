import { AlertList } from "./alerts";
import { SessionBoard, runningInBrief } from "./board";
import { WebSocketClient } from "./client";
import { byId, setText } from "./dom";
import { FindingsView } from "./findings";
import { ImportForm } from "./import-form";
import { createImportsTable } from "./imports";
import { SessionStore } from "./session-store";
import { StatusView } from "./status";
import { Toasts } from "./toasts";
import "./styles/index.css";

const NAME = "Pulsewheel";
const IMPORT = "vulnerability_import";
/** The tables are read after this time even without a connection. */
const READ_AFTER_MS = 1_000;

const client = new WebSocketClient();
// A dashboard is left open: it comes back by itself however long the server was away.
client.maxReconnectAttempts = Number.POSITIVE_INFINITY;

const store = new SessionStore(client);
const alerts = new AlertList();
const toasts = new Toasts(byId("toasts"));
const findings = new FindingsView(byId("findings"), byId("tiles"));
const imports = createImportsTable(byId("imports"));
const form = new ImportForm({
  hasCard: (sessionId) => store.get(sessionId) !== undefined,
  begun: (sessionId) => board.pin(sessionId),
  accepted: (sessionId) => client.trackImportProgress(sessionId),
});
new StatusView(client, () => form.queue.busy);
const board = new SessionBoard(client, store, byId("sessions"), {
  changed: showTitle,
  announce: (text) => setText(byId("announcer"), text),
  complain: (text) => toasts.complain(text),
});

/** The tab tells how far things are while the reader is elsewhere. */
function showTitle(): void {
  const running = runningInBrief(store.getSnapshot());
  document.title = running ? `${running.text} – ${NAME}` : NAME;
}

const refreshTables = (): void => {
  findings.refresh();
  imports.refresh();
};

client.subscribe("system_alert", (alert) => {
  alerts.add(alert);
  toasts.alert(alert);
});
client.subscribe("session_created", ({ metadata }) => {
  form.render();
  if (metadata["operation"] === IMPORT) imports.refresh();
});
client.subscribe("data_updated", refreshTables);
client.subscribe("import_complete", ({ operation }) => {
  if (operation === IMPORT) refreshTables();
});
for (const event of ["import_error", "import_cancelled"] as const) {
  client.subscribe(event, ({ sessionId, operation }) => {
    form.queue.stop(sessionId);
    if (operation === IMPORT) imports.refresh();
  });
}

// Read after the connection stands, since from then on no change is missed; a server that lets it wait is not waited for.
let wasConnected = false;
const read = setTimeout(refreshTables, READ_AFTER_MS);
client.subscribe("connection_changed", ({ state }) => {
  if (state !== "connected" || wasConnected) {
    wasConnected = state === "connected";
    return;
  }
  wasConnected = true;
  clearTimeout(read);
  refreshTables();
});
// A failure shows in the connection status, and further attempts follow by themselves.
client.connect().catch(() => {});
