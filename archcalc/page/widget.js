// The page in a frame of its own, and the kernel as what answers it.
export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.title = "archcalc";
    frame.sandbox = "allow-scripts allow-forms"; // no origin: nothing of the notebook can be reached
    frame.srcdoc = model.get("_page");
    frame.style.cssText = "display: block; width: 100%; border: 1px solid #8886; border-radius: 4px";
    const tall = () => { frame.style.height = `${model.get("height")}px`; };
    const asked = ({ source, data }) => { if (source === frame.contentWindow) model.send(data); };
    const answered = (message) => frame.contentWindow?.postMessage(message, "*");
    addEventListener("message", asked);
    model.on("msg:custom", answered);
    model.on("change:height", tall);
    tall();
    el.append(frame);
    return () => {
      removeEventListener("message", asked);
      model.off("msg:custom", answered);
      model.off("change:height", tall);
    };
  },
};
