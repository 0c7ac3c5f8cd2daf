/** The upload page. */
import "./upload.css";
