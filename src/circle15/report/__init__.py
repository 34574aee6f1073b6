"""From a run's folder to what people read: a page, a workbook, a page a town, pictures. Nothing is computed again."""
