import { byId, setText } from "./dom";
import { THEME } from "./texts";

const KEY = "pulsewheel.theme";
const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

/** The button that goes from the system's theme to light to dark; the choice is kept. */
export function themeSwitch(): void {
  const button = byId<HTMLButtonElement>("theme");
  const show = (theme: Theme): void => {
    document.documentElement.dataset["theme"] = theme;
    button.title = THEME[theme];
    setText(button.querySelector("span")!, THEME[theme]);
  };
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(present()) + 1) % THEMES.length]!;
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // It holds for this page then.
    }
    show(next);
  });
  show(present());

  function present(): Theme {
    const set = document.documentElement.dataset["theme"] as Theme | undefined;
    return set ?? stored();
  }
}

function stored(): Theme {
  try {
    const theme = localStorage.getItem(KEY) as Theme;
    return THEMES.includes(theme) ? theme : "auto";
  } catch {
    return "auto";
  }
}
