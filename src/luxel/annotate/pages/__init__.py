"""What the browser gets: templates, one style sheet, and plain JavaScript modules without a build step."""
