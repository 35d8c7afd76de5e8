import { h, setText } from "./dom";
import { COPY } from "./texts";

const SAID_FOR_MS = 2_000;

/** A button that puts a text on the clipboard, and says so. */
export function copyButton(label: string, text: string): HTMLButtonElement {
  const button = h("button", { type: "button", class: "quiet-button", onclick: () => void copy() }, label);
  const copy = async (): Promise<void> => {
    setText(button, (await write(text)) ? COPY.copied : COPY.impossible);
    setTimeout(() => setText(button, label), SAID_FOR_MS);
  };
  return button;
}

/** Browsers offer the clipboard to https and loopback pages only; elsewhere a selection has to do. */
async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h("textarea", { class: "visually-hidden" });
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
