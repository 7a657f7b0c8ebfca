<%@ include file="/WEB-INF/page.jspf" %>
<% response.setHeader("Cache-Control", "public, max-age=60"); %>
<p>Made at <span id="made"><%= java.time.Instant.now() %></span>
<table>
  <tr><td>Ink, black <td>12.00
  <tr><td>Paper, 500 sheets <td>6.50
</table>
