"use strict";
// Browsers start no worker for a page that was opened from a folder (file://). There the search runs in a hidden frame in its place.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      this.ready = new Promise((resolve) => this.frame.addEventListener("load", resolve, { once: true }));
      window.addEventListener("message", (event) => {
        if (event.source !== inside) return;
        event.stopImmediatePropagation();
        const answer = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(answer);
        this.onmessage?.(answer);
      });
      inside.document.open();
      inside.document.write(
        '<script>postMessage = (data) => parent.postMessage(data, "*");' +
          "importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((loaded) => {" +
          'const script = document.createElement("script"); script.src = url; script.onload = loaded; document.body.append(script);' +
          `})), Promise.resolve());</` + `script><body><script src="${url}"></` + "script></body>",
      );
      inside.document.close();
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
