/** The API's reference, drawn by Swagger UI from /openapi.json; nothing comes from another host. */
import SwaggerUIBundle from "swagger-ui-dist/swagger-ui-bundle.js";
import "./docs.css";

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
