"use strict";
addEventListener("DOMContentLoaded", () => {
  const place = document.getElementById("api-docs");
  // Only reading is tried out from here: a write of a cookie needs its CSRF token, and a mistaken click would be signed.
  SwaggerUIBundle({
    url: place.dataset.url, domNode: place, validatorUrl: null, syntaxHighlight: false, supportedSubmitMethods: ["get"],
  });
});
