import { AlertList } from "./alerts";
import { fetchRole, forgetSession } from "./api";
import { SessionBoard, runningInBrief } from "./board";
import { WebSocketClient } from "../client/src/client.js";
import { byId, setAttribute, setText } from "./dom";
import { FindingsView } from "./findings";
import { ImportForm } from "./import-form";
import { createImportsTable } from "./imports";
import { SessionLog } from "./session-log";
import { SessionPage } from "./session-page";
import { SessionStore } from "../client/src/session-store.js";
import { SignIn } from "./sign-in";
import { refreshButton } from "./refresh";
import { StatusView } from "./status";
import { themeSwitch } from "./theme";
import { Toasts } from "./toasts";
import "./styles/index.css";

const NAME = "Pulsewheel";
const IMPORT = "vulnerability_import";
/** Who was sent away, since a login has ended for example, learns by another attempt what is wanted. */
const ASK_AGAIN_AFTER_MS = 1_000;
/** The tables are read after this time even without a connection. */
const READ_AFTER_MS = 1_000;

const client = new WebSocketClient();
// A dashboard is left open: it comes back by itself however long the server was away.
client.maxReconnectAttempts = Number.POSITIVE_INFINITY;

const store = new SessionStore(client);
let page: SessionPage | null = null;
const alerts = new AlertList();
const toasts = new Toasts(byId("toasts"));
const findings = new FindingsView(byId("findings"), byId("tiles"));
const imports = createImportsTable(byId("imports"), {
  undone: (text) => toasts.tell(text),
  complain: (text) => toasts.complain(text),
});
const form = new ImportForm({
  hasCard: (sessionId) => store.get(sessionId) !== undefined,
  begun: (sessionId) => board.pin(sessionId),
  tried: (sessionId) => board.conceal(sessionId),
  checked: (sessionId) => void forgetSession(sessionId).catch(() => {}),
  accepted: (sessionId) => client.trackImportProgress(sessionId),
});
const refresh = refreshButton(byId("refresh"), async () => {
  await Promise.all([client.refresh(), findings.load(), imports.load()]);
});
new StatusView(client, () => void refresh(), () => form.queue.busy);
const board = new SessionBoard(client, store, byId("sessions"), {
  changed: () => showTitle(),
  announce: (text) => setText(byId("announcer"), text),
  complain: (text) => toasts.complain(text),
});

const log = new SessionLog(store);
page = new SessionPage(client, store, log, {
  cancel: (sessionId) => board.cancel(sessionId),
  fill: (sessionId) => board.fill(sessionId),
  moved: () => showTitle(),
});

/** Title and icon of the tab tell how far things are while the reader is elsewhere. */
function showTitle(): void {
  const view = page?.view;
  const running = runningInBrief(view ? [view] : store.getSnapshot());
  const icon = running ? `/progress-${Math.floor(running.share * 8)}.svg` : "/favicon.svg";
  setAttribute(byId("favicon"), "href", icon);
  document.title = running ? `${running.text} – ${NAME}` : page?.title ? `${page.title} – ${NAME}` : NAME;
}

const refreshTables = (): void => {
  findings.refresh();
  imports.refresh();
};

/** The style sheet leaves out what the user may not do. */
const showRole = async (): Promise<void> => {
  const role = await fetchRole().catch(() => null);
  if (role !== null) setAttribute(document.documentElement, "data-role", role);
};

themeSwitch();
void showRole();
new SignIn(client, () => {
  void showRole();
  void client.connect().catch(() => {});
  refreshTables();
});

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
client.subscribe("import_error", ({ sessionId, operation, error }) => {
  if (!form.queue.refused(sessionId, error)) form.queue.stop(sessionId);
  if (operation === IMPORT) imports.refresh();
});
client.subscribe("import_cancelled", ({ sessionId, operation }) => {
  form.queue.stop(sessionId);
  if (operation === IMPORT) imports.refresh();
});

client.subscribe("connection_changed", ({ state, reason }) => {
  if (state !== "offline" || reason !== "io server disconnect") return;
  setTimeout(() => void client.connect().catch(() => {}), ASK_AGAIN_AFTER_MS);
});

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
