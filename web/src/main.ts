import { socketPath } from "./address";
import { AlertList, needsAction } from "./alerts";
import { fetchRole, forgetSession } from "./api";
import { AwayNotice } from "./away";
import { SessionBoard, runningInBrief } from "./board";
import { endInWords, titleOf } from "./card";
import { WebSocketClient } from "../client/src/client.js";
import { byId, setAttribute, setText } from "./dom";
import { FindingsView } from "./findings";
import { isolate } from "./format";
import { HistoryView } from "./history";
import { ImportForm } from "./import-form";
import { createImportsTable } from "./imports";
import { EndNotices } from "./notices";
import { Router } from "./router";
import { ServerPage } from "./server-page";
import { SessionLog } from "./session-log";
import { SessionPage, addressOf } from "./session-page";
import { SessionStore } from "../client/src/session-store.js";
import { SignIn } from "./sign-in";
import { refreshButton } from "./refresh";
import { StatusView } from "./status";
import { themeSwitch } from "./theme";
import { Toasts } from "./toasts";
import "./styles/index.css";
import { COMMON } from "./texts";

const IMPORT = "vulnerability_import";
/** Who was sent away, since a login has ended for example, learns by another attempt what is wanted. */
const ASK_AGAIN_AFTER_MS = 1_000;
/** The tables are read after this time even without a connection. */
const READ_AFTER_MS = 1_000;

/** The whole page is shown after this time, whatever is missing. */
const SHOWN_AFTER_MS = 2_000;

const client = new WebSocketClient({ path: socketPath() });
// A dashboard is left open: it comes back by itself however long the server was away.
client.maxReconnectAttempts = Number.POSITIVE_INFINITY;

const announce = (text: string): void => setText(byId("announcer"), text);
const store = new SessionStore(client);
let showTitle = (): void => {};
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
const notices = new EndNotices({
  open: (sessionId) => (location.hash = addressOf(sessionId)),
  complain: (text) => toasts.complain(text),
});
const board = new SessionBoard(client, store, byId("sessions"), {
  changed: () => showTitle(),
  ended: (view) => {
    announce(`${isolate(titleOf(view))} ${endInWords(view)}`);
    notices.ended(view);
    if (view.operation !== IMPORT) return;
    if (view.status === "completed") refreshTables();
    else imports.refresh();
  },
  complain: (text) => toasts.complain(text),
  below: () => document.querySelectorAll<HTMLElement>("#overview > section, .bottom"),
});

const log = new SessionLog(store);
const page = new SessionPage(client, store, log, {
  cancel: (sessionId) => board.cancel(sessionId),
  fill: (sessionId) => board.fill(sessionId),
  changed: () => showTitle(),
});
const past = new HistoryView(client, () => store.now());
const server = new ServerPage();
new AwayNotice(client, store, { openAlerts: () => alerts.open(), announce });

/** Title and icon of the tab tell how far things are while the reader is elsewhere. */
showTitle = (): void => {
  const { view } = page;
  const running = runningInBrief(view ? [view] : store.getSnapshot());
  const icon = running ? `progress-${Math.floor(running.share * 8)}.svg` : "favicon.svg";
  setAttribute(byId("favicon"), "href", icon);
  const place = [page, past, server].find(({ element }) => !element.hidden)?.title;
  const title = running ? `${running.text} – ${COMMON.name}` : place ? `${place} – ${COMMON.name}` : COMMON.name;
  if (document.title !== title) document.title = title;
};
new Router([page, past, server], () => showTitle());

const refreshTables = (): void => {
  findings.refresh();
  imports.refresh();
};

/** The style sheet leaves out what the user may not do, or does not want to do by a slip: on the wall, for instance. */
const readOnly = new URLSearchParams(location.search).has("read-only");
const showRole = async (): Promise<void> => {
  const role = readOnly ? "viewer" : await fetchRole().catch(() => null);
  if (role !== null) setAttribute(document.documentElement, "data-role", role);
};

themeSwitch();
void showRole();
new SignIn(client, () => {
  void showRole();
  void client.connect().catch(() => {});
  readAll();
});

client.subscribe("system_alert", (alert) => {
  alerts.add(alert);
  // What was missed is told together, except for what somebody has to do.
  if (!client.isCatchingUp || needsAction(alert)) toasts.alert(alert);
});
client.subscribe("session_created", ({ metadata }) => {
  form.render();
  if (metadata["operation"] === IMPORT) imports.refresh();
});
client.subscribe("data_updated", refreshTables);
client.subscribe("import_error", ({ sessionId, error }) => {
  if (!form.queue.refused(sessionId, error)) form.queue.stop(sessionId);
});
client.subscribe("import_cancelled", ({ sessionId }) => form.queue.stop(sessionId));

client.subscribe("connection_changed", ({ state, reason }) => {
  if (state !== "offline" || reason !== "io server disconnect") return;
  setTimeout(() => void client.connect().catch(() => {}), ASK_AGAIN_AFTER_MS);
});

// Read after the connection stands, since from then on no change is missed; a server that lets it wait is not waited for.
let wasConnected = false;
const readAll = (): void => {
  refreshTables();
  void alerts.load();
};
const read = setTimeout(readAll, READ_AFTER_MS);
client.subscribe("connection_changed", ({ state }) => {
  if (state !== "connected" || wasConnected) {
    wasConnected = state === "connected";
    return;
  }
  wasConnected = true;
  clearTimeout(read);
  readAll();
});
// What stands below the sessions comes when all is read, so that nothing is pushed down by what takes a moment longer.
const shown = new Promise((resolve) => setTimeout(resolve, SHOWN_AFTER_MS));
void Promise.race([shown, Promise.all([board.read, findings.read, imports.read])]).then(() => document.body.classList.remove("reading"));
// A failure shows in the connection status, and further attempts follow by themselves.
client.connect().catch(() => {});
