// A real Vue app and a Svelte store on one page, bundled by the test in tests/browser/test_frameworks.py.
import { createApp, h } from "vue";
import { get } from "svelte/store";
import { taskStore } from "../src/svelte.ts";
import { useTask } from "../src/vue.ts";

const src = new URLSearchParams(location.search).get("src");
const App = {
  setup() {
    const watched = useTask(src);
    return () => h("output", { id: "vue" }, watched.value.ending?.result ?? watched.value.task?.progress?.message ?? "nothing");
  },
};
const vue = createApp(App);
vue.mount(document.body.appendChild(document.createElement("main")));
window.unmount = () => vue.unmount();
const store = taskStore(src);
const told = document.body.appendChild(document.createElement("output"));
told.id = "svelte";
window.leave = store.subscribe(({ task, ending }) => {
  told.textContent = ending?.result ?? task?.progress?.message ?? "nothing";
});
window.read = () => get(store);
