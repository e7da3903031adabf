/** What this tab remembers of its tasks, so that a page that is reloaded finds them again. */

/** Remember a task's address by a name (null forgets it); return what is remembered, if there is a storage. */
export function memory(name: string, url?: string | null): string | undefined {
  try {
    const key = `settled:${name}`;
    if (url) sessionStorage[key] = url;
    if (url === null) delete sessionStorage[key];
    return sessionStorage[key];
  } catch {
    return; // none on a server, and none where the person forbids it
  }
}
