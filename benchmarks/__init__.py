"""What is measured of the project, run by hand or by CI."""
