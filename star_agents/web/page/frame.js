// Work that waits for the next animation frame: however often it is asked for, it is done once, and not in a hidden tab.

/**
 * @param {() => void} work
 * @returns {() => void} asks for the work
 */
export function onFrame(work) {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      work();
    });
  };
}
