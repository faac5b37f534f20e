output "dashboard_function_url" {
  description = "Where the dashboard answers."
  value       = aws_lambda_function_url.dashboard.function_url
}
