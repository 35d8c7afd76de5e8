import { byId, closeButton, h, icon, setText } from "./dom";
import { formatBytes, formatPercent, isolate } from "./format";
import { problemView, summaryInBrief } from "./outcome";
import { previewView } from "./preview";
import { type Preview, type Upload, type UploadFields, UploadQueue, sendByXhr } from "./upload";
import { COMMON, IMPORT_FORM as TEXTS } from "./texts";

interface ImportFormHooks {
  /** Whether the session of an upload has its card already; its row is then not needed any more. */
  hasCard: (sessionId: string) => boolean;
  begun: (sessionId: string) => void;
  /** A dry run begins: its session is of no interest to others. */
  tried: (sessionId: string) => void;
  /** A dry run has been answered, and nobody needs its session any more. */
  checked: (sessionId: string) => void;
  accepted: (sessionId: string) => void;
}

/** Choosing files by drop or picker, saying what is to be done with them, previews, sending. */
export class ImportForm {
  readonly queue: UploadQueue;
  readonly #hooks: ImportFormHooks;
  readonly #zone = byId("drop-zone");
  readonly #input = byId<HTMLInputElement>("file-input");
  readonly #vendor = byId<HTMLSelectElement>("vendor");
  readonly #vendorName = byId<HTMLInputElement>("vendor-name");
  readonly #form = byId<HTMLFormElement>("import-form");
  readonly #button = byId<HTMLButtonElement>("upload-button");
  readonly #preview = byId<HTMLButtonElement>("preview-button");
  readonly #hint = byId("upload-hint");
  readonly #list = byId("uploads");
  readonly #rows = new Map<Upload, UploadRow>();

  constructor(hooks: ImportFormHooks) {
    this.#hooks = hooks;
    this.queue = new UploadQueue(
      async (upload, onSent, signal) => {
        if (upload.dryRun) hooks.tried(upload.sessionId);
        else hooks.begun(upload.sessionId);
        const preview = await sendByXhr(upload, onSent, signal);
        if (preview) this.#checked(upload, preview);
        else hooks.accepted(upload.sessionId);
        return preview;
      },
      () => this.render(),
    );
    this.#input.addEventListener("change", () => {
      this.#take(this.#input.files ?? []);
      // Else choosing the same file once more would be no change.
      this.#input.value = "";
    });
    this.#vendor.addEventListener("change", () => {
      this.#vendorName.hidden = this.#vendor.value !== "other";
      if (!this.#vendorName.hidden) this.#vendorName.focus();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.queue.start(this.#fields());
    });
    this.#preview.addEventListener("click", () => this.queue.check(this.queue.ready, this.#fields()));
    this.#acceptDrops();
    window.addEventListener("beforeunload", (event) => {
      if (this.queue.busy) event.preventDefault();
    });
    this.render();
  }

  /** Brings the list of files and the button up to date. */
  render(): void {
    const { uploads, ready } = this.queue;
    const shown = uploads.filter((upload) => this.#isShown(upload));
    for (const [upload, row] of this.#rows) {
      if (shown.includes(upload)) continue;
      row.element.remove();
      this.#rows.delete(upload);
    }
    for (const upload of shown) {
      let row = this.#rows.get(upload);
      if (!row) {
        row = new UploadRow(
          upload,
          () => this.#remove(upload),
          () => this.queue.retry(upload),
          () => this.queue.check([upload], this.#fields()),
        );
        this.#rows.set(upload, row);
        this.#list.append(row.element);
      }
      row.render();
    }
    this.#list.hidden = shown.length === 0;
    this.#button.disabled = this.#preview.disabled = ready.length === 0;
    setText(this.#button.lastElementChild!, ready.length > 1 ? TEXTS.importAll(ready.length) : TEXTS.import);
  }

  /** What the form says of all files; what is left open is not sent. */
  #fields(): UploadFields {
    const value = (id: string): string => byId<HTMLInputElement | HTMLSelectElement>(id).value.trim();
    const vendor = this.#vendor.value === "other" ? this.#vendorName.value.trim() : this.#vendor.value;
    const all = { vendor, resolve: value("resolve"), scanDate: value("scan-date"), site: value("site") };
    const fields = Object.fromEntries(Object.entries(all).filter(([, text]) => text !== ""));
    return byId<HTMLInputElement>("allow-older").checked ? { ...fields, allowOlder: "true" } : fields;
  }

  #checked({ file, sessionId }: Upload, { summary, error }: Preview): void {
    this.#hooks.checked(sessionId);
    const outcome = summary ? summaryInBrief({ ...summary, dry_run: false }) : error.message;
    setText(this.#hint, TEXTS.previewOf(isolate(file.name), outcome));
  }

  #remove(upload: Upload): void {
    this.queue.remove(upload);
    // The button that had the focus is gone with its file.
    this.#input.focus();
  }

  #isShown(upload: Upload): boolean {
    if (upload.state === "sent" || upload.state === "stopped") return false;
    if (upload.dryRun) return true;
    return upload.state !== "sending" || !this.#hooks.hasCard(upload.sessionId);
  }

  #take(files: Iterable<File>): void {
    const doubles = this.queue.add(files);
    const names = doubles.map((file) => isolate(file.name)).join(", ");
    setText(this.#hint, doubles.length === 0 ? "" : TEXTS.doubles(names));
    if (!this.#button.disabled) this.#button.focus();
  }

  /** A file may be dropped anywhere: beside the field the browser would leave the page to show it. */
  #acceptDrops(): void {
    let depth = 0;
    const mark = (change: number): void => {
      depth = Math.max(0, depth + change);
      this.#zone.classList.toggle("over", depth > 0);
    };
    document.addEventListener("dragenter", (event) => hasFiles(event) && mark(1));
    document.addEventListener("dragleave", (event) => hasFiles(event) && mark(-1));
    document.addEventListener("dragover", (event) => {
      if (hasFiles(event)) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      mark(-depth);
      this.#take(event.dataTransfer?.files ?? []);
    });
  }
}

class UploadRow {
  readonly element: HTMLElement;
  readonly #upload: Upload;
  readonly #state = h("span", { class: "subtle" });
  readonly #remove: HTMLButtonElement;
  readonly #retry: HTMLButtonElement;
  readonly #problem = h("div", {});
  readonly #preview = h("div", {});
  readonly #check: () => void;
  #told: Upload["error"] = null;
  #previewed: Preview | null = null;

  constructor(upload: Upload, remove: () => void, retry: () => void, check: () => void) {
    this.#upload = upload;
    this.#check = check;
    this.#retry = h(
      "button",
      { type: "button", class: "quiet-button", testid: "retry-upload", onclick: retry },
      COMMON.again,
    );
    this.#remove = closeButton(TEXTS.remove(isolate(upload.file.name)), remove);
    this.element = h(
      "li",
      { class: "upload", testid: "upload" },
      h(
        "div",
        { class: "upload-line" },
        icon("file"),
        h("bdi", { class: "upload-name" }, isolate(upload.file.name)),
        this.#state,
        this.#retry,
        this.#remove,
      ),
      this.#problem,
      this.#preview,
    );
  }

  render(): void {
    const { state, error } = this.#upload;
    this.#showPreview();
    this.element.setAttribute("data-state", state);
    setText(this.#state, stateWords(this.#upload));
    this.#remove.hidden = state === "sending";
    this.#retry.hidden = state !== "failed";
    if (error === this.#told) return;
    this.#told = error;
    this.#problem.replaceChildren(...(error ? [problemView({ code: error.code, message: error.message })] : []));
    if (error) this.#problem.setAttribute("role", "alert");
    else this.#problem.removeAttribute("role");
  }

  #showPreview(): void {
    const { preview, choices, dryRun, state } = this.#upload;
    this.#preview.inert = state !== "ready";
    if (preview === this.#previewed) return;
    const focused = this.#preview.contains(document.activeElement);
    this.#previewed = preview;
    const view = preview && previewView(preview, choices, dryRun, { check: this.#check });
    this.#preview.replaceChildren(...(view ? [view] : []));
    if (focused) this.#remove.focus();
  }
}

function stateWords({ state, sent, file, dryRun }: Upload): string {
  switch (state) {
    case "ready":
      return formatBytes(file.size);
    case "waiting":
      return TEXTS.waiting;
    case "sending":
      if (dryRun && sent === 1) return TEXTS.checking;
      return TEXTS.sending(formatPercent(sent));
    case "failed":
      return dryRun ? TEXTS.notChecked : TEXTS.notImported;
    default:
      return "";
  }
}

function hasFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
