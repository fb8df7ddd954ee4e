// Says of every table that is wider than its place that there is more of it, and on which side.

/** Watch every `.scroll` of the page, now and whenever its table or its place changes size. */
export function hintAtMore() {
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".scroll"))) {
    const look = () => {
      place.classList.toggle("has-more-right", place.scrollWidth - place.clientWidth - place.scrollLeft > 1);
      place.classList.toggle("has-more-below", place.scrollHeight - place.clientHeight - place.scrollTop > 1);
      place.classList.toggle("has-more-left", place.scrollLeft > 1);
    };
    place.addEventListener("scroll", look, { passive: true });
    const watch = new ResizeObserver(look);
    watch.observe(place);
    for (const table of place.children) watch.observe(table);
  }
}
