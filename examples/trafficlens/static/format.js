// Numbers as people read them.

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en");
const tenths = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 };
const percent = new Intl.NumberFormat("en", tenths);
const change = new Intl.NumberFormat("en", { ...tenths, signDisplay: "exceptZero" });
const month = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });

export const short = (n) => compact.format(n);
export const exact = (n) => whole.format(n);
export const share = (n) => percent.format(n);
export const growth = (n) => change.format(n);
export const monthName = (text) => month.format(new Date(`${text}-01T00:00:00Z`));

/** Seconds on a site, as 3:07. */
export const duration = (s) => `${Math.floor(s / 60)}:${String(Math.round(s) % 60).padStart(2, "0")}`;

/** Seconds as the largest unit that fits. */
export function span(s) {
  if (s < 90) return `${Math.max(1, Math.round(s))} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3_600) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} days`;
}
export const ago = (s) => (s < 5 ? "just now" : `${span(s)} ago`);
